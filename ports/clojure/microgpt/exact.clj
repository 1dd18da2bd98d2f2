(ns microgpt.exact
  "Correctly rounded functions (SPEC, sections 2 and 15), by integers alone."
  (:refer-clojure :exclude [exp])
  (:import (java.math BigDecimal BigInteger RoundingMode)))

(set! *warn-on-reflection* true)

;; A function with primitive arguments would lose the hint of its result.
(defn- big ^BigInteger [n] (BigInteger/valueOf (long n)))
(defn- << ^BigInteger [^BigInteger n places] (.shiftLeft n (int places)))
(defn- plus ^BigInteger [^BigInteger a ^BigInteger b] (.add a b))
(defn- minus ^BigInteger [^BigInteger a ^BigInteger b] (.subtract a b))
(defn- over ^BigInteger [^BigInteger a ^BigInteger b] (.divide a b))

(defn- split
  "A finite number as an integer and the exponent of two that goes with it."
  [^double x]
  (let [e (- (max (Math/getExponent x) -1022) 52)]
    [(big (long (Math/scalb x (int (- e))))) e]))

(defn- rounded
  "The double nearest to m * 2^e, ties to even, rounded once at the last place that it has."
  ^double [^BigInteger m ^long e]
  (let [top (max (- (+ (.bitLength (.abs m)) e) 53) -1074)
        drop (- top e)]
    (cond
      (> top 971) (* (.signum m) Double/POSITIVE_INFINITY)
      (<= drop 0) (Math/scalb (.doubleValue m) (int e))
      :else
      (let [kept (<< m (- drop))
            side (.compareTo (minus m (<< kept drop)) (<< (big 1) (dec drop)))
            up? (or (pos? side) (and (zero? side) (.testBit kept 0)))]
        (Math/scalb (.doubleValue (if up? (plus kept (big 1)) kept)) (int top))))))

;; Below, a number in fixed point is an integer that stands for itself / 2^bits.

(defn- one ^BigInteger [bits] (<< (big 1) bits))
(defn- times ^BigInteger [^BigInteger a ^BigInteger b bits] (<< (.multiply a b) (- (long bits))))

(defn- fixed ^BigInteger [x bits]
  (let [[m e] (split x)] (<< m (+ (long e) (long bits)))))

(defn- nearest
  "Rounds (value bits) * 2^scale, which is off by less than 2^24 units of its last place (2^17, by a generous count).
  If the ends of that interval do not round alike, it takes more bits (Ziv, 1991)."
  [^long scale value]
  (loop [bits 192]
    (let [y (value bits)
          low (rounded (minus y (one 24)) (- scale bits))
          high (rounded (plus y (one 24)) (- scale bits))]
      (if (== low high) low (recur (* 2 bits))))))

(defn- series
  "The sum of what (part term n) makes of the terms until they vanish; (following term n) is the one after the nth."
  ([term start step following] (series term start step following (fn [term _] term)))
  ([term start step following part]
   (loop [^BigInteger term term, n (long start), sum (big 0)]
     (if (> (.bitLength term) 1)
       (recur (following term n) (+ n (long step)) (plus sum (part term n)))
       sum))))

(defn- arc
  "first + first * square / 3 + first * square^2 / 5 ..."
  [first square bits]
  (series first 1 2 (fn [term _] (times term square bits)) (fn [term n] (over term (big n)))))

(defn- inverse-arc
  "artanh(1/n) for sign 1, arctan(1/n) for -1."
  ^BigInteger [n sign bits]
  (arc (over (one bits) (big n)) (over (one bits) (big (* sign n n))) bits))

;; The constants have 16 bits to spare while they are computed.

(def ^:private ln2
  (memoize (fn [bits] (<< (inverse-arc 3 1 (+ (long bits) 16)) -15))))

(def ^:private half-pi
  (memoize (fn [bits]
             (let [more (+ (long bits) 16)]
               (<< (minus (<< (inverse-arc 5 -1 more) 3) (<< (inverse-arc 239 -1 more) 1)) -16)))))

(defn- multiple ^BigInteger [k ^BigInteger constant] (.multiply (big k) constant))

(def ^:private halvings 12)

(defn exp ^double [^double x]
  (cond
    (Double/isNaN x) x
    (< (Math/abs x) 1e-17) 1.0
    (> (Math/abs x) 800.0) (if (pos? x) Double/POSITIVE_INFINITY 0.0)
    :else
    (let [k (Math/round (/ x 0.6931471805599453))]
      (nearest k (fn [^long bits]
                   (let [r (<< (minus (fixed x bits) (multiple k (ln2 bits))) (- (long halvings)))
                         y (series (one bits) 1 1 (fn [term n] (over (times term r bits) (big n))))]
                     (nth (iterate #(times % % bits) y) halvings)))))))

(defn log ^double [^double x]
  (cond
    (or (Double/isNaN x) (neg? x)) Double/NaN
    (zero? x) Double/NEGATIVE_INFINITY
    (== x 1.0) 0.0
    (Double/isInfinite x) x
    :else
    (let [[^BigInteger size e] (split x)
          length (.bitLength size)
          low? (neg? (.compareTo size (<< (big 3) (- length 2))))
          k (cond-> (+ (long e) length) low? dec)]
      (nearest 0 (fn [^long bits]
                   (let [m (<< size (+ bits (- (long e) (long k)))) ; from 3/4 to 3/2
                         z (over (<< (minus m (one bits)) bits) (plus m (one bits)))]
                     (plus (<< (arc z (times z z bits) bits) 1) (multiple k (ln2 bits)))))))))

(defn- wave
  "sin(x + quarters * pi/2) for |x| <= 8."
  ^double [^double x ^long quarters]
  (let [k (Math/round (/ x (/ Math/PI 2)))
        quadrant (bit-and (+ k quarters) 3)]
    (nearest 0 (fn [^long bits]
                 (let [r (minus (fixed x bits) (multiple k (half-pi bits)))
                       square (times r r bits)
                       following (fn [term ^long n]
                                   (over (times term square bits) (big (- (* (+ n 1) (+ n 2))))))
                       y (if (even? quadrant) (series r 1 2 following) (series (one bits) 0 2 following))]
                   (if (< quadrant 2) y (minus (big 0) y)))))))

(defn sin ^double [^double x] (if (or (Double/isNaN x) (< (Math/abs x) 1e-8)) x (wave x 0)))

(defn cos ^double [^double x]
  (cond (Double/isNaN x) x
        (< (Math/abs x) 1e-9) 1.0
        :else (wave x 1)))

(defn- power
  "x > 0 to the y, with a last bit that says whether anything was left over."
  ^double [^double x ^double y]
  (let [degree (if (== y (Math/rint y)) 1 2)
        t (long (* degree y))
        [^BigInteger m q] (split x)
        zeros (.getLowestSetBit m)
        n (.pow (.shiftRight m zeros) (int (Math/abs t)))
        e (* t (+ (long q) zeros))
        enough (if (pos? t) (max 0 (- 132 (.bitLength n))) (+ 132 (.bitLength n)))
        shift (+ enough (bit-and (- e enough) (dec degree)))
        [^BigInteger value rest] (if (pos? t) [(<< n shift) (big 0)] (.divideAndRemainder (one shift) n))
        root (if (== degree 1) value (.sqrt value))
        exact? (and (= rest (big 0)) (or (== degree 1) (= value (.multiply root root))))]
    (rounded (plus (<< root 1) (big (if exact? 0 1))) (dec (quot (- e shift) degree)))))

(defn pow
  "x to the integer or half-integer y."
  ^double [^double x ^double y]
  (let [whole? (== y (Math/rint y))
        odd? (== 1.0 (Math/abs (rem y 2.0)))]
    (cond
      (or (zero? y) (== x 1.0)) 1.0
      (or (Double/isNaN x) (== y 1.0)) x
      (== y 2.0) (* x x)
      (== y -1.0) (/ 1.0 x)
      (or (zero? x) (Double/isInfinite x))
      (let [size (if (= (zero? x) (pos? y)) 0.0 Double/POSITIVE_INFINITY)]
        (if odd? (Math/copySign size x) size))
      (neg? x) (cond (not whole?) Double/NaN
                     odd? (- (pow (- x) y))
                     :else (pow (- x) y))
      (== y 0.5) (Math/sqrt x)
      :else (power x y))))

(defn four-decimals
  "Rounded once, from the exact value."
  [^double x]
  (let [sign (if (neg? (Math/copySign 1.0 x)) "-" "")]
    (cond
      (Double/isNaN x) "nan"
      (Double/isInfinite x) (str sign "inf")
      :else (str sign (.toPlainString (.setScale (BigDecimal. (Math/abs x)) 4 RoundingMode/HALF_EVEN))))))
