"""The multi-stage pipeline that one generative model replaces: candidates, rankers, assembly."""
