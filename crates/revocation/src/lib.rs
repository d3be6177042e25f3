//! What is no longer valid: entries, the feed's wire format and the in-memory view a guard asks on every request.
