"""What revetl remembers, and the only room that writes it: snapshot, outbox, pending, rejected, runs, ledger, head."""
