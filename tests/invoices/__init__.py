"""An application of a project, with a model that points at finished tasks."""
