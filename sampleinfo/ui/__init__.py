"""What the pages share: frame, run picker, gallery, job progress."""
