"""What goes wrong, and when; the places that can go wrong never import this room."""
