"""LoadGen glue: settings, scheduling per scenario, logs. Nothing in here knows a workload."""
