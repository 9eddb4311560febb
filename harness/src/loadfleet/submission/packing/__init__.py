"""From an accepted tree to what is sent: shortened logs, the archive, and the check of whoever receives it."""
