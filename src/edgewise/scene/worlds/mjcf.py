"""A world as a MuJoCo model: the MJCF text of table, things, the robot's gripper and somebody else's hand.

The gripper is a body on three slides and a turn about Z with two fingers that close along its own y axis; gravity does
not act on it. Somebody's hand is a mocap body without contacts. Both hold things by one equality weld per thing that is
inactive until they do.
"""

from __future__ import annotations

import math

from edgewise.scene.types import Point
from edgewise.scene.worlds.spec import FLOOR, HAND, KNOB, ROBOT_NAME, TABLE, WALL, Thing, WorldSpec

STEP = 0.004  # seconds per physics step
TABLE_LOW, TABLE_HIGH = (0.05, -0.55), (1.0, 0.55)  # corners of the table's top
DEEP = -0.4  # height of the floor, metres
PARKED: Point = (1.15, 0.0, 0.7)  # where somebody's hand waits, out of sight
OPENING = 0.08  # greatest distance of the fingers, metres
CLEAR = 0.0006  # between the walls of what is hollow and what it stands on, metres
FINGER = (0.009, 0.004, 0.024)  # half extents of a finger
TIP = 0.012  # the point between the fingertips lies so far above their lower ends
REACH_LOW, REACH_HIGH = (0.18, -0.42, TIP), (0.8, 0.42, 0.6)  # where the gripper can go
JOINTS = tuple(f"{ROBOT_NAME}:{axis}" for axis in ("x", "y", "z", "yaw"))
FINGERS = tuple(f"{ROBOT_NAME}:{side}" for side in ("left", "right"))
_NEAR, _FAR = 0.05, 5.0  # clipping planes, metres


def mjcf(spec: WorldSpec, home: Point, size: tuple[int, int], grip_force: float) -> str:
    """The model's text.

    Args:
        spec: Scene, with everything random already drawn.
        home: Where the gripper starts.
        size: Greatest image, (width, height) pixels.
        grip_force: Of each finger, newton.
    """
    movable = [thing.name for thing in spec.things if not thing.fixed]
    welds = "".join(
        f'<weld name="{who}:{name}" body1="{who}" body2="{name}" active="false"/>'
        for who in (ROBOT_NAME, HAND)
        for name in movable
    )
    light = spec.light
    shadow = str(spec.shadows).lower()
    return f"""<mujoco model="edgewise">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="{STEP}" integrator="implicitfast" cone="elliptic" impratio="5" iterations="30" tolerance="1e-7"/>
  <size memory="8M"/>
  <statistic extent="1" center=".45 0 .1" meansize=".05"/>
  <visual>
    <global offwidth="{size[0]}" offheight="{size[1]}"/>
    <map znear="{_NEAR}" zfar="{_FAR}"/>
    <quality offsamples="0" shadowsize="{2048 if spec.shadows else 512}"/>
    <headlight ambient="{_repeat(light.ambient)}" diffuse=".15 .15 .15" specular="0 0 0"/>
  </visual>
  <asset>
    <material name="matte" specular="0" shininess="0" reflectance="0"/>
    {"".join(_meshes(thing) for thing in spec.things)}
  </asset>
  <default>
    <geom material="matte" solref=".01 1" solimp=".95 .99 .001" condim="4" friction="1 .003 .0001"/>
    <equality solref=".008 1" solimp=".98 .995 .001"/>
    <!-- Walls are smooth to whatever touches them, or what a cover is slid with would climb up and jam. -->
    <default class="wall"><geom friction=".2 .003 .0001" priority="1"/></default>
  </default>
  <worldbody>
    <light directional="true" castshadow="{shadow}" dir="{_join(light.direction)}" diffuse="{_repeat(light.diffuse)}"
      ambient="0 0 0" specular="0 0 0" pos="0 0 2"/>
    {_camera(spec)}
    {_table()}
    {"".join(_body(thing) for thing in spec.things)}
    {_gripper(home)}
    {_hand()}
  </worldbody>
  <equality>{welds}</equality>
  <actuator>{_actuators(grip_force)}</actuator>
</mujoco>"""


def _join(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.6g}" for value in values)


def _repeat(value: float) -> str:
    return _join((value, value, value))


def _camera(spec: WorldSpec) -> str:
    """The camera looks from ``view.position`` to ``view.target``, its picture's upper edge upwards."""
    eye, target = spec.view.position, spec.view.target
    forward = [t - e for t, e in zip(target, eye, strict=True)]
    flat = math.hypot(*forward[:2])
    # Straight down, the far side is above.
    x, y = (forward[0] / flat, forward[1] / flat) if flat else (1.0, 0.0)
    right, up = (y, -x, 0.0), (-forward[2] * x, -forward[2] * y, flat)
    return f'<camera name="camera" pos="{_join(eye)}" xyaxes="{_join((*right, *up))}" fovy="{spec.view.angle:.6g}"/>'


def _table() -> str:
    middle = [(low + high) / 2 for low, high in zip(TABLE_LOW, TABLE_HIGH, strict=True)]
    half = [(high - low) / 2 for low, high in zip(TABLE_LOW, TABLE_HIGH, strict=True)]
    return (
        f'<geom name="{FLOOR}" type="plane" size="4 4 .1" pos="0 0 {DEEP}" rgba=".3 .33 .36 1"/>'
        f'<geom name="{TABLE}" type="box" size="{_join((*half, 0.02))}" pos="{_join((*middle, -0.02))}" '
        'rgba=".8 .8 .8 1"/>'
    )


def _meshes(thing: Thing) -> str:
    """A roof has its size in its mesh."""
    if thing.shape != "prism":
        return ""
    x, y, z = thing.size
    corners = [(i * x, j * y, -z) for i in (-1, 1) for j in (-1, 1)] + [(i * x, 0.0, z) for i in (-1, 1)]
    return f'<mesh name="{thing.name}" vertex="{"  ".join(_join(corner) for corner in corners)}"/>'


def _body(thing: Thing) -> str:
    joint = "" if thing.fixed else "<freejoint/>"
    if thing.shape == "drawer":
        slide = f'type="slide" axis="-1 0 0" range="0 {thing.travel}" damping="3" frictionloss=".3"'
        joint = f'<joint name="{thing.name}" {slide}/>'
    turn = _join((math.cos(thing.yaw / 2), 0.0, 0.0, math.sin(thing.yaw / 2)))
    look = f'rgba="{_join(thing.colour)} 1"'
    geoms = "".join(f"<geom {look} {geom}/>" for geom in _geoms(thing))
    return f'<body name="{thing.name}" pos="{_join(thing.position)}" quat="{turn}">{joint}{geoms}</body>'


def _geoms(thing: Thing) -> list[str]:
    """Attributes of the thing's geoms."""
    x, y, z = thing.size
    solid = f'density="{thing.density:.6g}" friction="{thing.friction:.6g} .003 .0001"'
    match thing.shape:
        case "cuboid":
            return [f'type="box" size="{_join(thing.size)}" {solid}']
        case "cylinder":
            return [f'type="cylinder" size="{_join((x, z))}" {solid}']
        case "ball":
            # Rolling friction, or it would roll for ever.
            return [f'type="sphere" size="{x:.6g}" condim="6" {solid}']
        case "prism":
            return [f'type="mesh" mesh="{thing.name}" {solid}']
        case "pad":
            # Seen, not felt: as thin as paper.
            return [f'type="box" size="{_join(thing.size)}" contype="0" conaffinity="0"']
        case "cup":
            lid = f'type="cylinder" mass=".02" size="{_join((x - WALL, WALL / 2))}" pos="0 0 {z - WALL / 2:.6g}"'
            return [*_ring(x, z, 8), lid, _knob(z), *_feet([(x, 0.0), (0.0, y)], z)]
        case "cover":
            return [*_sides(x, y, z), _plate(x, y, z - WALL / 2), _knob(z), *_feet([(x, y), (x, -y)], z)]
        case "bin":
            return [*_sides(x, y, z), _plate(x, y, WALL / 2 - z), *_feet([(x, y), (x, -y)], z)]
        case "drawer":
            stem = _box((0.018, 0.006, 0.006), (-x - 0.018, 0.0, z - 0.016))
            handle = _box((0.006, 0.02, 0.02), (-x - 0.042, 0.0, z - 0.006))
            return [*_sides(x, y, z), _plate(x, y, WALL / 2 - z), stem, handle]
        case _:
            # A cabinet is open towards the near side.
            return [
                _box((x, WALL, z), (0.0, y - WALL, 0.0)),
                _box((x, WALL, z), (0.0, WALL - y, 0.0)),
                _box((WALL, y, z), (x - WALL, 0.0, 0.0)),
                _box((x, y, WALL / 2), (0.0, 0.0, z - WALL / 2)),
            ]


def _wall(half: Point, at: Point, yaw: float = 0.0) -> str:
    return f'class="wall" {_box(half, at, yaw)}'


def _box(half: Point, at: Point, yaw: float = 0.0) -> str:
    turn = f' euler="0 0 {yaw:.6g}"' if yaw else ""
    return f'type="box" mass=".02" size="{_join(half)}" pos="{_join(at)}"{turn}'


def _sides(x: float, y: float, z: float) -> list[str]:
    half, up = WALL / 2, CLEAR / 2
    return [
        *(_wall((half, y, z - up), (side * (x - half), 0.0, up)) for side in (-1, 1)),
        *(_wall((x - WALL, half, z - up), (0.0, side * (y - half), up)) for side in (-1, 1)),
    ]


def _ring(radius: float, z: float, count: int) -> list[str]:
    """Walls of a regular polygon whose flat sides are ``radius`` from the middle."""
    inner, up = radius - WALL / 2, CLEAR / 2
    half = (WALL / 2, radius * math.tan(math.pi / count), z - up)
    angles = [2 * math.pi * k / count for k in range(count)]
    return [_wall(half, (inner * math.cos(angle), inner * math.sin(angle), up), angle) for angle in angles]


def _feet(corners: list[tuple[float, float]], z: float) -> list[str]:
    """Spheres below the corners and their opposites: four points of contact instead of four for every wall."""
    return [
        f'type="sphere" mass=".001" size="{WALL / 2}" pos="{_join((side * _inset(x), side * _inset(y), WALL / 2 - z))}"'
        for x, y in corners
        for side in (-1, 1)
    ]


def _inset(reach: float) -> float:
    """Of the middle of a wall whose outer side is at ``reach``."""
    return math.copysign(max(abs(reach) - WALL / 2, 0.0), reach)


def _plate(x: float, y: float, level: float) -> str:
    """A lid or a bottom; it does not touch what the feet stand on."""
    return _box((x - WALL, y - WALL, WALL / 2), (0.0, 0.0, level + CLEAR / 2))


def _knob(top: float) -> str:
    return _box(KNOB, (0.0, 0.0, top + KNOB[2]))


def _gripper(home: Point) -> str:
    """The gripper's frame is the point between the fingertips."""
    dark = 'rgba=".07 .07 .08 1"'
    joints = "".join(
        f'<joint name="{name}" type="slide" axis="{axis}"/>'
        for name, axis in zip(JOINTS, ("1 0 0", "0 1 0", "0 0 1"), strict=False)
    )
    lift = FINGER[2] - TIP
    fingers = "".join(
        f'<body name="{name}" gravcomp="1" pos="0 {side * (FINGER[1] + OPENING / 2):.6g} {lift:.6g}">'
        f'<joint name="{name}" type="slide" axis="0 {-side} 0" range="0 {OPENING / 2}" damping="4" armature=".05"/>'
        f'<geom type="box" size="{_join(FINGER)}" mass=".03" {dark} friction="1.5 .02 .0002" condim="6"/></body>'
        for name, side in zip(FINGERS, (1, -1), strict=True)
    )
    palm = 2 * FINGER[2] - TIP + 0.012
    return (
        f'<body name="{ROBOT_NAME}" gravcomp="1" pos="{_join(home)}">{joints}'
        f'<joint name="{JOINTS[3]}" type="hinge" axis="0 0 1" armature=".005"/>'
        f'<geom type="box" size=".016 .056 .012" pos="0 0 {palm:.6g}" mass=".6" {dark}/>'
        f'<geom type="cylinder" size=".02 .2" pos="0 0 {palm + 0.21:.6g}" mass=".4" {dark}/>'
        f"{fingers}</body>"
    )


def _actuators(grip_force: float) -> str:
    arm = "".join(f'<position name="{name}" joint="{name}" kp="5000" kv="150"/>' for name in JOINTS[:3])
    turn = f'<position name="{JOINTS[3]}" joint="{JOINTS[3]}" kp="40" kv="1"/>'
    fingers = "".join(
        f'<position name="{name}" joint="{name}" kp="1500" kv="10" forcerange="-{grip_force} {grip_force}"/>'
        for name in FINGERS
    )
    return arm + turn + fingers


def _hand() -> str:
    """A palm, four fingers and a forearm that goes up and away from the camera; it touches nothing."""
    skin = 'rgba=".87 .62 .47 1" contype="0" conaffinity="0" mass="0"'
    fingers = "".join(
        f'<geom type="capsule" size=".008" fromto="{x} {y} .03 {x} {y} -.012" {skin}/>'
        for x, y in ((-0.024, -0.022), (-0.024, 0.0), (-0.024, 0.022), (0.026, 0.0))
    )
    return (
        f'<body name="{HAND}" mocap="true" pos="{_join(PARKED)}">'
        f'<geom type="ellipsoid" size=".045 .04 .018" pos="0 0 .04" {skin}/>{fingers}'
        f'<geom type="capsule" size=".026" fromto=".03 0 .05 .4 0 .3" {skin}/></body>'
    )
