"""The peers there are, named by text: only a process of a peer's own Python imports its class."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import cast

from benchmarks.peers.peer import Peer


@dataclass(frozen=True, slots=True)
class Known:
    """A peer's class, and the package that must be installed for it."""

    module: str
    title: str
    package: str

    @property
    def source(self) -> Path:
        """The class's file, which nothing is imported for."""
        return Path(__file__).with_name(f"{self.module}.py")

    def load(self) -> type[Peer]:
        """Import the class, and with it the library."""
        return cast(
            "type[Peer]", getattr(import_module(f"{__package__}.{self.module}"), self.title)
        )


KNOWN: Mapping[str, Known] = MappingProxyType(
    {
        "genai-blocks": Known("genai", "GenAIBlocks", "onnxruntime-genai"),
        "genai-dynamic": Known("genai", "GenAIDynamic", "onnxruntime-genai"),
        "openvino": Known("openvino_genai", "OpenVinoGenAI", "openvino-genai"),
        "llama.cpp": Known("llama_cpp", "LlamaCpp", "llama-cpp-python"),
        "hugging-face": Known("hugging_face", "HuggingFace", "transformers"),
    }
)
