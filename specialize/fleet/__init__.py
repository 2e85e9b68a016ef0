"""Many vehicles: what differs between them, how few builds serve them all, and carrying that out."""
