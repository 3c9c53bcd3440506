"""The doorbell and the streams: topics, wake-ups and cursors. It carries keys, never rows."""
