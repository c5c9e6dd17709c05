"""Training: from impressions and events to a checkpoint.

One module an objective (`pretrain` is the first); what feeds and drives it is shared.
"""
