"""What a process appends to: events (JSON lines) and metric points (fixed-size records)."""
