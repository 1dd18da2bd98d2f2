"""Arguments whose results are hardest to round: the true value is next to the middle between two doubles.

Each argument stands as its bits, with the number of bits that decide: the true result, written in binary,
has 53 bits, the round bit (the 54th), and then so many bits that are all the opposite of the round bit
before the first one that differs. A program that knows a result to fewer bits than that cannot round it to
nearest. Results close to a double itself, which are hard only for the other rounding modes, are not listed.

Most of exp, log, sin, cos and x**-0.5 are from the searches of V. Lefevre and J.-M. Muller ("Worst cases
for correct rounding of the elementary functions in double precision", 2003) and of the CORE-MATH and CRlibm
projects; the other powers, and some arguments in ranges that those searches left out or that training uses,
were searched for here. All numbers of bits were measured with mpmath at 400 bits, and the tests measure
them again.
"""

from typing import Any

# fmt: off
EXP: dict[int, int] = {
    0x3e09e9cbbfd6080b: 57, 0x3f1ba07d73250de7: 55, 0xbe04bd46601ae1ef: 55, 0xbe76ff486dc6f81a: 55,
    0x3eb282aae3169ee7: 54, 0x3f76a4d1af9cc989: 54, 0x3feaccfbe46b4ef0: 54, 0x3de836b2fff6d6cb: 53,
    0x3fa8ae823850230b: 53, 0x3ffaca7ae8da5a7b: 53, 0xbe30401ae48409b5: 53, 0xc0002393d5976769: 53,
    0xc0254c9218baa581: 53, 0x3f3d83e8bdd4f7e4: 52, 0x3f95a75293a5dcda: 52, 0x3fca065fefae814f: 52,
    0x3fe005ae04256bab: 52, 0x40100091a4a0dae5: 52, 0xbfe22e24fa3d5cf9: 52, 0xc0171e0b869b5e79: 52,
    0x3eb0454937aa0971: 51, 0x3ee03c4423b17bcc: 51, 0x402a8ead058bc6b8: 51, 0x4040a64abf09dc3a: 51,
    0x3e400bf0dafe8156: 50, 0x3f00d0f325acd21e: 50, 0x3f40850c69fc1c96: 50, 0x3f50441db1d6f213: 50,
    0x3fd00687179e3f66: 50, 0x407445bc0f85fd95: 50, 0x3e906bc03aeb539e: 49, 0x3f103bc3bc34a568: 48,
    0x3f92c35154b004a8: 48, 0x40505a1a1b748058: 48, 0x408068a70204c4f3: 48, 0x401013f89b41e477: 47,
    0x4030076d13ab9d18: 47, 0x40609e51ea4c0f9b: 47, 0x4061385c2d8b84bb: 47, 0x408062315cbd184b: 47,
    0x3ff07e3167a458ab: 46, 0x400011dd7222b8d2: 46, 0x402015f22aac6d3d: 46, 0x403046bea8fccaeb: 46,
    0x40401e5ceb2c761e: 46, 0x40606eb107157e27: 46, 0x4071a8f1b5e3dbac: 46, 0x408143e9a6b1fb86: 46,
    0x408434de9578de8d: 46, 0x408489703e0ce3b1: 46, 0xc023ebb3fbd2218c: 42, 0xc02ceb81b49a3414: 40,
}

LOG: dict[int, int] = {
    0x27f9476e304cd7c7: 60, 0x553b7f71a488641a: 60, 0x61e6b3d29c0f9e6e: 60, 0x705be87838f1a47c: 60,
    0x5c86ab13075e3f2d: 58, 0x5ced4a93d69f93eb: 58, 0x7c131143c7c0b1e6: 58, 0x48804517520386e5: 57,
    0x608382c35530591f: 57, 0x6a55b46700fda328: 57, 0x494c35165a3660fb: 56, 0x55749f24f35d3f37: 56,
    0x41730dafba546295: 55, 0x42ebcc715a6c1dc8: 55, 0x439c76131364e7eb: 55, 0x4509b83394eee5e3: 55,
    0x49320738f115065b: 55, 0x406bdd793fe7b41c: 54, 0x41873e874fe9220c: 54, 0x4016de110c79fac5: 53,
    0x41d0bb1a825d53d0: 53, 0x42033e19970f77b8: 53, 0x424bc4dd1dc00b0f: 53, 0x3feffffffffffffe: 52,
    0x4022b1199e497739: 52, 0x40311867637cbd03: 52, 0x4033d9d7d597a9dd: 52, 0x4037f3825778aaaf: 52,
    0x4100dfe7ad41fd87: 52, 0x40105eb7625384e6: 51, 0x4048b247b74ee4b5: 51, 0x3ff789e95b11578c: 50,
    0x3ffb9f1fa4587967: 50, 0x3fe25fd45593f228: 49, 0x3feedeffbdb1a6e6: 49, 0x4019e892bc616246: 49,
    0x3feccff51fdaa118: 44, 0x3feeec70488ac24c: 43, 0x3fd3e3fce48bba0d: 42, 0x3fdb1dc979de90cb: 41,
    0x3fde2d7164c4c05d: 41,
}

SIN: dict[int, int] = {
    0x3f8598bae9e632f6: 59, 0x3fd1c63df63d59d0: 56, 0x3fed98c4c612718d: 54, 0x3ef55a1feaa926f1: 53,
    0x3f1997d35866ce04: 53, 0x3eac47fb71e1a10f: 52, 0x3f94c377e1d8441f: 52, 0x3fcd037cb27ee6df: 52,
    0x3f0708b239a9dd02: 51, 0x3fe54b3504c6b4a3: 51, 0x3e6e3cf476542bd1: 50, 0x3ec32b8464dd24ab: 50,
    0x3eed81c0fe235a3d: 50, 0x3f18d41a9eb26026: 50, 0x3f1c033181c04101: 50, 0x3f91d60c80ae0d38: 50,
    0x3f9289869cfcd01d: 50, 0x3fa2cb566b139f7e: 50, 0x3fc2fc3d8d81b559: 50, 0x3e9a050ba4d79ae6: 49,
    0x3ea37d8eed285d62: 49, 0x3eb56afd8a717aaa: 49, 0x3ec8175b05446bd1: 49, 0x3ecbc13870c062f4: 49,
    0x3ed1872e4d27cfb9: 49, 0x3ef986a75aeb40f4: 49, 0x3f2107b328b22c92: 49, 0x3f38bc6a16659cda: 49,
    0x3f46e3bbdba9ae42: 49, 0x3f59161eb1f20886: 49, 0x3f5c558bb83fe758: 49, 0x3f5c60cdb2cd0303: 49,
    0x3f68479f46c5bb63: 49, 0x3f9646a68c0185d4: 49, 0x3fa09d9410464c64: 49, 0x3fb01a9891dd8e91: 49,
    0x3ffd1772843917d7: 49, 0x400130f42de7a8a0: 41, 0x40175e2ef97b1963: 41, 0x400381d82fb93b82: 40,
    0x40177e5dc5552279: 40, 0x401e719dad5434a9: 40,
}

COS: dict[int, int] = {
    0x40034ec2f9fc9c00: 58, 0x3ff6b8a6273d7c21: 54, 0x3e95e5c1cd6c4e6f: 53, 0x3f9f849414ea93b6: 53,
    0x3fb16e534ee36580: 53, 0x3f1347167982efaa: 52, 0x3fb270df70e010f7: 52, 0x3fdfeb1f7920e248: 52,
    0x3ede3fc2a4c86766: 51, 0x3f034363b3a0a6e9: 51, 0x3f78367c95eea78c: 51, 0x3f8f8e9aa64e5dbf: 51,
    0x3f9674e568fe6b7f: 51, 0x3f9d52bda7ff9918: 51, 0x3fa83f386688e80a: 51, 0x3fec65a170474549: 51,
    0x3ff3aca9ac4d718d: 51, 0x3e68a85c24f7065a: 50, 0x3ea51c1df061030b: 50, 0x3ec42550643e9932: 50,
    0x3edb94c74703d951: 50, 0x3ee649cc398d94b9: 50, 0x3eebc26e050f58ba: 50, 0x3efb6a903a100607: 50,
    0x3f1e85412599a00e: 50, 0x3f29c7325a9582b2: 50, 0x3f56ea868bda0dbc: 50, 0x3f6ea37742cba939: 50,
    0x3fafcbf79e95562c: 50, 0x3fcc41fbfbfb58c0: 50, 0x3feec7ae5cb5c876: 50, 0x3e808d8dd3b1d9ad: 49,
    0x3e9226f24f6b2a4a: 49, 0x3eb150e52ce7b42f: 49, 0x3ec38a17a50ca203: 49, 0x3ece5e52205d72fc: 49,
    0x3ed1aa629d3661f8: 49, 0x3ed6d97e60102b3d: 49, 0x3ee48e6a8a73f91e: 49, 0x3ef30b781e0842ff: 49,
    0x3f3402e502aeacb0: 49, 0x3f42312bee38106d: 49, 0x3f56a4c38abdcbac: 49, 0x3f60bd74777db82b: 49,
    0x3f80066bbcf2cf68: 49, 0x3f892e4fbb59f545: 49, 0x3fa47712d7f8ed7e: 49, 0x3fa746e7f6dcc3b2: 49,
    0x3fad8841807373cd: 49, 0x3fc7efa9b716ba22: 49, 0x3fcf3db49626230b: 49, 0x3fe7ab1847e2d065: 49,
    0x40123c5f8c31c7fc: 42, 0x4004341583241a4f: 41, 0x400f5a1cdc65ce0a: 41, 0x4016975efae8ebb4: 40,
    0x401ee07c84884730: 40,
}

POW: dict[tuple[int, int], int] = {
    (0x3fefffffffffffff, 0xc014000000000000): 49, (0x3fefffffffffffff, 0xc008000000000000): 50,
    (0x3ff1e048e67836aa, 0xc008000000000000): 45, (0x3ff412410592d686, 0xc008000000000000): 43,
    (0x3ffcccdc790b78ca, 0xc008000000000000): 42, (0x3ff3b2f5f1662e50, 0xc000000000000000): 45,
    (0x3ff6fa4906178d46, 0xc000000000000000): 42, (0x3ffaec6f75c6cbaf, 0xc000000000000000): 42,
    (0x3feffffffffffffe, 0xbff8000000000000): 50, (0x3ff3ff6d882b26d2, 0xbff8000000000000): 43,
    (0x4006982231d2ec28, 0xbff8000000000000): 42, (0x400fee791e43007a, 0xbff8000000000000): 41,
    (0x3ffa6a9cc15abcce, 0xbfe0000000000000): 57, (0x400c562b857453dd, 0xbfe0000000000000): 53,
    (0x000fffffffffffff, 0xbfe0000000000000): 52, (0x3feffffffffffffe, 0xbfe0000000000000): 52,
    (0x400ffffffffffffe, 0xbfe0000000000000): 52, (0x0007d2c120afe8d3, 0xbfe0000000000000): 51,
    (0x000c136e52ab14ad, 0xbfe0000000000000): 51, (0x3ffc51fd5dac918d, 0xbfe0000000000000): 51,
    (0x3fff4b0482bfa34c, 0xbfe0000000000000): 51, (0x400826dca556295a, 0xbfe0000000000000): 51,
    (0x0004067cc617301e, 0xbfe0000000000000): 50, (0x3ff019f3185cc078, 0xbfe0000000000000): 50,
    (0x3ff2cf7c2d6696e2, 0xbfe0000000000000): 50, (0x40054709118a46d6, 0xbfe0000000000000): 50,
    (0x40090229294e10be, 0xbfe0000000000000): 50, (0x400a322206b56e7b, 0xbfe0000000000000): 50,
    (0x400adf7d568fb6bd, 0xbfe0000000000000): 50, (0x400d9e27fc59beaa, 0xbfe0000000000000): 50,
    (0x3ff656230dda552d, 0xbfe0000000000000): 49, (0x3ffd0a4a40f6cdec, 0xbfe0000000000000): 49,
    (0x3fefffffffffffff, 0x3ff8000000000000): 53, (0x3ff0000000000001, 0x3ff8000000000000): 52,
    (0x3ff05e2ddda40dc6, 0x3ff8000000000000): 45, (0x3ff15824d359ef48, 0x3ff8000000000000): 41,
    (0x3fefffffffffffff, 0x4004000000000000): 51, (0x3ff8000000000004, 0x4008000000000000): 45,
    (0x3ff1489a42fca411, 0x4008000000000000): 44, (0x3ff95296595d2904, 0x4008000000000000): 42,
    (0x3ff25e796c208282, 0x4008000000000000): 41, (0x3ff0bbc1eeef60f9, 0x4010000000000000): 45,
    (0x3ff9d26c962977a4, 0x4010000000000000): 44, (0x3ff70c5270d62803, 0x4010000000000000): 43,
}
# fmt: on

# Iterating over a table yields bits for exp, log, sin and cos, and pairs of bits for pow.
HARD_INPUTS: dict[str, dict[Any, int]] = {"exp": EXP, "log": LOG, "sin": SIN, "cos": COS, "pow": POW}
