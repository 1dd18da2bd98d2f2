(* exp, log, sin, cos and pow: the double nearest to the true value, found with integers alone. *)

(* A finite x is m * 2^e. *)
let split x =
  let fraction, e = Float.frexp x in
  (int_of_float (Float.ldexp fraction 53), e - 53)

(* The double nearest to m * 2^e, ties to even, rounded once at the last place that it has. *)
let round m e =
  let size = Z.abs m in
  let top = Z.numbits size + e in
  let last = max (top - 53) (-1074) in
  let drop = last - e in
  let rounded =
    if top > 1024 then infinity
    else if top < -1074 then 0.0
    else if drop <= 0 then Float.ldexp (Z.to_float size) e
    else
      let kept = Z.shift_right size drop in
      let rest = Z.sub size (Z.shift_left kept drop) in
      let side = Z.compare rest (Z.shift_left Z.one (drop - 1)) in
      let up = side > 0 || (side = 0 && Z.is_odd kept) in
      Float.ldexp (Z.to_float (if up then Z.succ kept else kept)) last
  in
  if Z.sign m < 0 then -.rounded else rounded

(* Below, a number in fixed point is an integer that stands for itself / 2^bits. *)

let one bits = Z.shift_left Z.one bits
let times bits a b = Z.shift_right (Z.mul a b) bits
let negligible term = Z.numbits term < 2

let fixed bits x =
  let m, e = split x in
  Z.shift_left (Z.of_int m) (e + bits)

(* Every function below is off by less than this many units of its last place (2^17, by a generous count). *)
let slack = Z.shift_left Z.one 24

(* Rounds [value bits] * 2^scale. If both ends of the error interval do not round alike, asks for more bits. *)
let rec nearest ?(bits = 192) scale value =
  let y = value bits in
  let low = round (Z.sub y slack) (scale - bits) and high = round (Z.add y slack) (scale - bits) in
  if Float.equal low high then low else nearest ~bits:(2 * bits) scale value

(* The sum of sign^k / ((2k + 1) n^(2k + 1)): artanh of 1/n for sign 1, arctan of 1/n for -1. *)
let inverse_arc sign n bits =
  let rec go sum term k =
    if negligible term then sum
    else go (Z.add sum (Z.div term (Z.of_int k))) (Z.div term (Z.of_int (sign * n * n))) (k + 2)
  in
  go Z.zero (Z.div (one bits) (Z.of_int n)) 1

(* A constant, computed once for each precision, with 16 bits to spare. *)
let constant compute =
  let known = Hashtbl.create 4 in
  fun bits ->
    match Hashtbl.find_opt known bits with
    | Some value -> value
    | None ->
        let value = Z.shift_right (compute (bits + 16)) 16 in
        Hashtbl.add known bits value;
        value

let ln2 = constant (fun bits -> Z.shift_left (inverse_arc 1 3 bits) 1)

let half_pi =
  let ( * ) n z = Z.mul (Z.of_int n) z in
  constant (fun bits -> Z.sub (8 * inverse_arc (-1) 5 bits) (2 * inverse_arc (-1) 239 bits))

let halvings = 12

let exp x =
  if Float.is_nan x then nan
  else if x > 710.0 then infinity
  else if x < -746.0 then 0.0
  else if Float.abs x < 0x1p-54 then 1.0
  else
    let k = int_of_float (Float.round (x /. 0.6931471805599453)) in
    nearest k (fun bits ->
        let r = Z.shift_right (Z.sub (fixed bits x) (Z.mul (Z.of_int k) (ln2 bits))) halvings in
        let rec series sum term n =
          if negligible term then sum
          else series (Z.add sum term) (Z.div (times bits term r) (Z.of_int (n + 1))) (n + 1)
        in
        let rec squared n y = if n = 0 then y else squared (n - 1) (times bits y y) in
        squared halvings (series (one bits) r 1))

let log x =
  if Float.is_nan x || x < 0.0 then nan
  else if x = 0.0 then neg_infinity
  else if x = infinity || x = 1.0 then if x = 1.0 then 0.0 else infinity
  else
    let half, e = Float.frexp x in
    let m, e = if half < 0.75 then (2.0 *. half, e - 1) else (half, e) in
    nearest 0 (fun bits ->
        let m = fixed bits m in
        let z = Z.div (Z.shift_left (Z.sub m (one bits)) bits) (Z.add m (one bits)) in
        let square = times bits z z in
        let rec series sum term n =
          if negligible term then sum
          else series (Z.add sum (Z.div term (Z.of_int n))) (times bits term square) (n + 2)
        in
        Z.add (Z.shift_left (series Z.zero z 1) 1) (Z.mul (Z.of_int e) (ln2 bits)))

(* sin (x + quarters * pi/2) for |x| <= 8. *)
let wave quarters x =
  let q = int_of_float (Float.round (x /. 1.5707963267948966)) in
  let quadrant = (q + quarters) land 3 in
  nearest 0 (fun bits ->
      let r = Z.sub (fixed bits x) (Z.mul (Z.of_int q) (half_pi bits)) in
      let square = times bits r r in
      let rec series sum term n =
        if negligible term then sum
        else
          let next = Z.neg (Z.div (times bits term square) (Z.of_int ((n + 1) * (n + 2)))) in
          series (Z.add sum next) next (n + 2)
      in
      let first, n = if quadrant land 1 = 0 then (r, 1) else (one bits, 0) in
      let y = series first first n in
      if quadrant < 2 then y else Z.neg y)

let sin x = if Float.is_nan x then nan else if Float.abs x < 0x1p-26 then x else wave 0 x
let cos x = if Float.is_nan x then nan else if Float.abs x < 0x1p-27 then 1.0 else wave 1 x

(* x > 0 to the integer or half-integer y. A sticky bit at the end says whether anything was left over. *)
let power x y =
  let whole = Float.is_integer y in
  let t = int_of_float (if whole then y else 2.0 *. y) in
  let m, q = split x in
  let m = Z.of_int m in
  let zeros = Z.trailing_zeros m in
  let n = Z.pow (Z.shift_right m zeros) (abs t) and e = (q + zeros) * t in
  let sticky value exact = Z.add (Z.shift_left value 1) (if exact then Z.zero else Z.one) in
  if whole && t > 0 then round n e
  else
    let shift = if t > 0 then max 0 (132 - Z.numbits n) else 132 + Z.numbits n in
    let shift = if whole || (e - shift) land 1 = 0 then shift else shift + 1 in
    let value, rest = if t > 0 then (Z.shift_left n shift, Z.zero) else Z.div_rem (one shift) n in
    if whole then round (sticky value (Z.equal rest Z.zero)) (e - shift - 1)
    else
      let root, left = Z.sqrt_rem value in
      round (sticky root (Z.equal rest Z.zero && Z.equal left Z.zero)) (((e - shift) / 2) - 1)

let rec pow x y =
  let whole = Float.is_integer y in
  let odd = whole && Float.rem y 2.0 <> 0.0 in
  if y = 0.0 || x = 1.0 then 1.0
  else if Float.is_nan x then nan
  else if y = 1.0 then x
  else if y = 2.0 then x *. x
  else if y = -1.0 then 1.0 /. x
  else if x = 0.0 || Float.abs x = infinity then
    let size = if x = 0.0 = (y > 0.0) then 0.0 else infinity in
    if odd then Float.copy_sign size x else size
  else if x < 0.0 then
    if not whole then nan else if odd then -.pow (-.x) y else pow (-.x) y
  else if y = 0.5 then sqrt x
  else power x y
