from scatd.cli.prepare import prepare

if __name__ == "__main__":
    prepare()
