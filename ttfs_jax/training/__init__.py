"""Training as pure functions of a config: recipes, batches, losses, augmentation."""
