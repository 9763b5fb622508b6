"""Orders about a queue in a database: pause, limit, notices, and takes that obey them."""
