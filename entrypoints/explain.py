from scatd.cli.explain import explain

if __name__ == "__main__":
    explain()
