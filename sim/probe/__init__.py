"""What is watched while the bot flies; the bot imports none of it, and watching moves no digest."""
