from typer import Typer
def init(): pass
