"""Fitting a draft head (`model.drafts`) to the pages that a checkpoint makes."""
