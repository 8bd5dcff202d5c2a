"""What belongs to a job and to no framework: program, environment, code, secrets kept out."""
