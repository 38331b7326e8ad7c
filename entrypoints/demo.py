from scatd.cli.demo import demo

if __name__ == "__main__":
    demo()
