"""What an inventory of documents lists, and which runbooks and steps carry it out: counted, not
claimed."""
