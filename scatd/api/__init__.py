"""The Python door: AnnData in, AnnData and tables out. `import scatd` gives its functions."""
