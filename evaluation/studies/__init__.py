"""The studies: what the method claims, measured again by one command each (``genpage study``)."""
