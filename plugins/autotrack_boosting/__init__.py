"""What the plugins of XGBoost and LightGBM share: rounds, data that a framework holds, what a training is told."""
