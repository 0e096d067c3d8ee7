"""scarlet_pl from Python: what `import scarlet_pl` offers beside the classes of a federation."""
