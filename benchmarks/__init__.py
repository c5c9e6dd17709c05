"""What is measured, each with its command: `genpage bench NAME`, or the module itself."""
