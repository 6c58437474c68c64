"""Rules of the four games: who is paid what. No prompts, no parsing; both sizes of a game share them."""
