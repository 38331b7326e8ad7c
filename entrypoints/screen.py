from scatd.cli.screen import screen

if __name__ == "__main__":
    screen()
