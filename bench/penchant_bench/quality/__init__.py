"""How good the recommendations are: data sets, protocols, baselines, and the score offline and through the service."""
