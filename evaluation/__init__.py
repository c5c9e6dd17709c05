"""How good the model is, beside baselines computed in the same run."""
