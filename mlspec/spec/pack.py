"""How a spec uses packs: pieces of the language that it builds on."""

from pydantic import Field

from mlspec.spec.base import Name, Shape, Text


class PackOptions(Shape):
    """What a pack is told."""

    rename: dict[Name, Name] = Field({}, description="Metric and label names of the pack, to the project's own.")
    prefix: Name | None = Field(None, description="Put before the names of the pack's metrics.")


class Use(Shape):
    """The packs of a spec, by name, or by path for packs of your own."""

    use: dict[Text, PackOptions] = {}
