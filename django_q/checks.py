"""System checks of ``Q_CLUSTER``."""
