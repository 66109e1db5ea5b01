"""What can be done with a job; one module per verb, called alike by all doors."""
