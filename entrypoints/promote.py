from scatd.cli.promote import promote

if __name__ == "__main__":
    promote()
