"""Reinforcement learning against the reward model: Dr. GRPO over pages sampled as served."""
