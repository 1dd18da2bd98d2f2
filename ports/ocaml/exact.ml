(* exp, log, sin, cos and pow: the double nearest to the true value, found with integers alone. *)

(* A finite x as an integer and a power of two. *)
let split x =
  let fraction, e = Float.frexp x in
  (Z.of_float (Float.ldexp fraction 53), e - 53)

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
      let side = Z.compare (Z.sub size (Z.shift_left kept drop)) (Z.shift_left Z.one (drop - 1)) in
      let up = side > 0 || (side = 0 && Z.is_odd kept) in
      Float.ldexp (Z.to_float (if up then Z.succ kept else kept)) last in
  if Z.sign m < 0 then -.rounded else rounded

(* Below, a number in fixed point is an integer that stands for itself / 2^bits. *)
let one bits = Z.shift_left Z.one bits
let times bits a b = Z.shift_right (Z.mul a b) bits
let over a n = Z.div a (Z.of_int n)
let fixed bits x = let m, e = split x in Z.shift_left m (e + bits)

(* Adds what [part term n] makes of the terms, until they vanish; [next term n] is the term after n, n + step. *)
let rec series ?(sum = Z.zero) step term n part next =
  if Z.numbits term < 2 then sum
  else series ~sum:(Z.add sum (part term n)) step (next term n) (n + step) part next

(* Rounds [value bits] * 2^scale. It is off by less than 2^24 units of its last place (2^17, by a generous count).
   If the ends of that interval do not round alike, it takes more bits. *)
let rec nearest ?(bits = 192) scale value =
  let y = value bits and slack = one 24 in
  let low = round (Z.sub y slack) (scale - bits) and high = round (Z.add y slack) (scale - bits) in
  if Float.equal low high then low else nearest ~bits:(2 * bits) scale value

(* The sum of sign^k / ((2k + 1) n^(2k + 1)): artanh of 1/n for sign 1, arctan of 1/n for -1. *)
let inverse_arc sign n bits = series 2 (over (one bits) n) 1 over (fun term _ -> over term (sign * n * n))

(* A constant, computed once for each precision, with 16 bits to spare. *)
let constant compute =
  let known = Hashtbl.create 4 in
  fun bits ->
    if not (Hashtbl.mem known bits) then Hashtbl.add known bits (Z.shift_right (compute (bits + 16)) 16);
    Hashtbl.find known bits

let ln2 = constant (fun bits -> Z.shift_left (inverse_arc 1 3 bits) 1)

let half_pi =
  constant (fun bits -> Z.sub (Z.shift_left (inverse_arc (-1) 5 bits) 3) (Z.shift_left (inverse_arc (-1) 239 bits) 1))

let exp x =
  if Float.is_nan x then nan
  else if x > 710.0 then infinity
  else if x < -746.0 then 0.0
  else if Float.abs x < 0x1p-54 then 1.0
  else
    let k = int_of_float (Float.round (x /. 0.6931471805599453)) and halvings = 12 in
    nearest k (fun bits ->
        let r = Z.shift_right (Z.sub (fixed bits x) (Z.mul (Z.of_int k) (ln2 bits))) halvings in
        let y = series 1 (one bits) 1 Fun.const (fun term n -> over (times bits term r) n) in
        let rec squared n y = if n = 0 then y else squared (n - 1) (times bits y y) in
        squared halvings y)

let log x =
  if Float.is_nan x || x < 0.0 then nan
  else if x = 0.0 then neg_infinity
  else if x = 1.0 then 0.0
  else if x = infinity then x
  else
    let half, e = Float.frexp x in
    let m, e = if half < 0.75 then (2.0 *. half, e - 1) else (half, e) in
    nearest 0 (fun bits ->
        let m = fixed bits m in
        let z = Z.div (Z.shift_left (Z.sub m (one bits)) bits) (Z.add m (one bits)) in
        let square = times bits z z in
        let artanh = series 2 z 1 over (fun term _ -> times bits term square) in
        Z.add (Z.shift_left artanh 1) (Z.mul (Z.of_int e) (ln2 bits)))

(* sin (x + quarters * pi/2) for |x| <= 8. *)
let wave quarters x =
  let q = int_of_float (Float.round (x /. 1.5707963267948966)) in
  let quadrant = (q + quarters) land 3 in
  nearest 0 (fun bits ->
      let r = Z.sub (fixed bits x) (Z.mul (Z.of_int q) (half_pi bits)) in
      let square = times bits r r in
      let first, n = if quadrant land 1 = 0 then (r, 1) else (one bits, 0) in
      let y = series 2 first n Fun.const (fun term n -> over (times bits term square) (-(n + 1) * (n + 2))) in
      if quadrant < 2 then y else Z.neg y)

let sin x = if Float.is_nan x then nan else if Float.abs x < 0x1p-26 then x else wave 0 x
let cos x = if Float.is_nan x then nan else if Float.abs x < 0x1p-27 then 1.0 else wave 1 x

(* x > 0 to the integer or half-integer y. A sticky bit at the end says whether anything was left over. *)
let power x y =
  let whole = Float.is_integer y in
  let t = int_of_float (if whole then y else 2.0 *. y) in
  let m, q = split x in
  let zeros = Z.trailing_zeros m in
  let n = Z.pow (Z.shift_right m zeros) (abs t) and e = (q + zeros) * t in
  let shift = if t > 0 then max 0 (132 - Z.numbits n) else 132 + Z.numbits n in
  let shift = if whole then shift else shift + ((e - shift) land 1) in
  let value, rest = if t > 0 then (Z.shift_left n shift, Z.zero) else Z.div_rem (one shift) n in
  let root, left = if whole then (value, Z.zero) else Z.sqrt_rem value in
  let sticky = if Z.equal rest Z.zero && Z.equal left Z.zero then Z.zero else Z.one in
  round (Z.add (Z.shift_left root 1) sticky) ((if whole then e - shift else (e - shift) / 2) - 1)

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
  else if x < 0.0 then if not whole then nan else if odd then -.pow (-.x) y else pow (-.x) y
  else if y = 0.5 then sqrt x
  else power x y
