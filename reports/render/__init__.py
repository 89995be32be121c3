"""The forms a verdict and its story take: HTML, Markdown, JUnit."""
