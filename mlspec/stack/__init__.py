"""The engines behind `mlspec up`, and the local tools they need. The local engine's entry points are in `local`."""
