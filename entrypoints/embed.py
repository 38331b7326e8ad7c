from scatd.cli.embed import embed

if __name__ == "__main__":
    embed()
