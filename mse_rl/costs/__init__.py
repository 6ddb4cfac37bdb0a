"""What children cost and are worth: measures, budgets, rewards, schedules."""
