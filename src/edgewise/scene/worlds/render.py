"""Pictures of a world: colours and depth in one pass, what is seen where in another; no window, no GPU needed."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewise.core.errors import MissingExtra, Unsupported
from edgewise.scene.types import Camera

BACKENDS = {"egl": "libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri", "osmesa": "libosmesa6"}
_FIX = "apt-get install {} (or {} and MUJOCO_GL=osmesa)".format(*BACKENDS.values())


class Renderer:
    """Draws a model's camera.

    Args:
        model: MuJoCo model; its ``vis.global_`` says how large a picture may be.
        size: (width, height) pixels.
        shadows: Draw shadows and reflections (slow on a CPU).

    Raises:
        Unsupported: No picture can be drawn on this machine; names the packages that are missing.
    """

    def __init__(self, model: Any, size: tuple[int, int], shadows: bool = False) -> None:
        import mujoco

        self._mujoco, self._model, self._size = mujoco, model, size
        self._gl = _context()
        try:
            self._context: Any = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        except Exception as error:
            raise Unsupported(f"OpenGL cannot draw off screen ({error})", fix=_FIX) from error
        self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 10)
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._scene.flags[flag] = shadows
        self._view = mujoco.MjvCamera()
        self._view.type, self._view.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, 0
        self._option = mujoco.MjvOption()
        self._rect = mujoco.MjrRect(0, 0, *size)

    def camera(self, data: Any) -> Camera:
        """The camera as it stands in ``data``."""
        width, height = self._size
        focal = height / 2 / float(np.tan(np.radians(self._model.cam_fovy[0]) / 2))
        pose = np.eye(4)
        # MuJoCo's cameras look along -z with y up, ours along z with y down.
        pose[:3, :3] = data.cam_xmat[0].reshape(3, 3) * [1, -1, -1]
        pose[:3, 3] = data.cam_xpos[0]
        return Camera(width, height, (focal, focal), (width / 2, height / 2), pose)

    def picture(self, data: Any) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Colours (h, w, 3) and depth (h, w) in metres along the camera's z axis, 0 where nothing is."""
        self._arrange(data)
        self._mujoco.mjr_render(self._rect, self._scene, self._context)
        width, height = self._size
        rgb = np.empty((height, width, 3), np.uint8)
        buffer = np.empty((height, width), np.float32)
        self._mujoco.mjr_readPixels(rgb, buffer, self._rect, self._context)
        near, far = self._model.vis.map.znear, self._model.vis.map.zfar  # the model's extent is 1
        buffer = buffer[::-1]
        # The buffer is 1 at the near plane and 0 at the far one, linear in 1 / depth.
        depth = 1.0 / (1.0 / far + buffer * (1.0 / near - 1.0 / far))
        return np.ascontiguousarray(rgb[::-1]), np.where(buffer > 0, depth, 0.0).astype(np.float32)

    def geoms(self, data: Any, only: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.int32]:
        """Which geom is seen at each pixel (h, w), -1 where none is. ``only`` (n_geoms,) leaves out all others."""
        self._arrange(data)
        scene, flags = self._scene, self._mujoco.mjtRndFlag
        shown = [scene.geoms[k] for k in range(scene.ngeom)]
        of_segment = np.full(scene.ngeom + 1, -1, np.int32)
        for k, geom in enumerate(shown):
            visible = only is None or bool(only[geom.objid])
            of_segment[k + 1] = geom.objid if visible else -1
            geom.segid = k if visible else -1
        scene.flags[flags.mjRND_SEGMENT] = scene.flags[flags.mjRND_IDCOLOR] = True
        self._mujoco.mjr_render(self._rect, scene, self._context)
        scene.flags[flags.mjRND_SEGMENT] = scene.flags[flags.mjRND_IDCOLOR] = False
        width, height = self._size
        image = np.empty((height, width, 3), np.uint8)
        self._mujoco.mjr_readPixels(image, None, self._rect, self._context)
        segment = image[::-1].astype(np.int32) @ np.array([1, 256, 65536], np.int32)
        return of_segment[segment]

    def _arrange(self, data: Any) -> None:
        self._gl.make_current()
        category = self._mujoco.mjtCatBit.mjCAT_ALL.value
        self._mujoco.mjv_updateScene(self._model, data, self._option, None, self._view, category, self._scene)

    def close(self) -> None:
        """Free what was drawn with."""
        if self._context is not None:
            self._gl.make_current()
            self._context.free()
            self._context = None


def require_pictures() -> None:
    """Raise where no picture can be drawn on this machine.

    Raises:
        MissingExtra: The simulator is not installed.
        Unsupported: There is no OpenGL; names the packages that are missing.
    """
    _context()


def gl_problem() -> str | None:
    """Why no picture can be drawn here and what to install, or None if it can."""
    try:
        require_pictures()
    except Unsupported as error:
        return str(error)
    return None


_kept = threading.local()


def _context() -> Any:
    """The thread's OpenGL context, current.

    There is one for all renderers: a second one would lose what belongs to it when a forgotten renderer of the first
    is freed.
    """
    if getattr(_kept, "process", None) != os.getpid():
        _kept.context, _kept.process = _new_context(), os.getpid()
    _kept.context.make_current()
    return _kept.context


def _new_context() -> Any:
    """A context by the back end that MUJOCO_GL names, or else by the first that works."""
    chosen = os.environ.get("MUJOCO_GL", "").lower()
    tried = []
    for backend in (chosen,) if chosen else tuple(BACKENDS):
        os.environ["MUJOCO_GL"] = backend
        try:
            # Its size does not matter: pictures are drawn into buffers of their own.
            context = importlib.import_module(f"mujoco.{backend}").GLContext(1, 1)
            context.make_current()
            return context
        except Exception as error:
            if isinstance(error, ModuleNotFoundError) and error.name == "mujoco":
                raise MissingExtra("MuJoCo", "sim") from None
            tried.append(f"{backend}: {error or type(error).__name__}")
        if not chosen:
            # PyOpenGL keeps to the platform that it was first imported for.
            os.environ.pop("PYOPENGL_PLATFORM", None)
            for name in [name for name in sys.modules if name.split(".")[0] == "OpenGL"]:
                del sys.modules[name]
    if not chosen:
        del os.environ["MUJOCO_GL"]
    raise Unsupported(f"no OpenGL context for pictures off screen ({'; '.join(tried)})", fix=_FIX)
