"""What web, worker and scripts share."""
