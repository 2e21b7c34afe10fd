"""A package, so that its fixtures may last for all of its tests and no longer: the browser does."""
