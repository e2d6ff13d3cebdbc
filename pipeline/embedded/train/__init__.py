"""Training of the studio's tiny models: cached scenes, resumable runs, scores."""
