//! What the house speaks of: ids, times, users, messages, events and cursors.
