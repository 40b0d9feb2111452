"""`litellm` as a module, so that a process can be started with this interpreter."""

from litellm import run_server

if __name__ == "__main__":
    run_server()
