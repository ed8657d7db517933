"""How the schema came about, one file a step (versions/). A step that was released is never edited."""
