;;; microgpt-exact.el --- Correctly rounded functions  -*- lexical-binding: t -*-

;;; Commentary:

;; exp, log, sin, cos and pow: the double nearest to the true value, found with integers alone (SPEC, section 2).

;;; Code:

(require 'cl-lib)

(defconst mg-infinity 1.0e+INF)
(defconst mg-nan 0.0e+NaN)

(defun mg--bit-length (n)
  "The number of bits of the integer N >= 0."
  (if (zerop n) 0 (1+ (logb n))))

(defun mg--split (x)
  "The finite double X as (INTEGER . EXPONENT), a power of two."
  (pcase-let ((`(,fraction . ,exponent) (frexp x)))
    (cons (truncate (ldexp fraction 53)) (- exponent 53))))

(defun mg--round (m e)
  "The double nearest to M * 2^E, ties to even.
It is rounded once, at the last place that it has."
  (let* ((size (abs m))
         (top (+ (mg--bit-length size) e))
         (last (max (- top 53) -1074))
         (drop (- last e))
         (rounded
          (cond ((> top 1024) mg-infinity)
                ((< top -1074) 0.0)
                ((<= drop 0) (ldexp (float size) e))
                (t (let* ((kept (ash size (- drop)))
                          (rest (- size (ash kept drop)))
                          (half (ash 1 (1- drop))))
                     (ldexp (float (if (or (> rest half) (and (= rest half) (cl-oddp kept))) (1+ kept) kept))
                            last))))))
    (if (< m 0) (- rounded) rounded)))

;;;; Fixed point: an integer that stands for itself / 2^BITS

(defun mg--fixed (x bits)
  "The finite double X in fixed point."
  (pcase-let ((`(,m . ,e) (mg--split x)))
    (ash m (+ e bits))))

(defsubst mg--times (a b bits)
  "The product of A and B."
  (ash (* a b) (- bits)))

(defun mg--nearest (scale value)
  "The double nearest to 2^SCALE times what the function VALUE says.
VALUE computes with a given number of bits.  It is off by less than 2^24 units
of its last place (2^17, by a generous count).  If the ends of that interval do
not round alike, it takes more bits."
  (let ((bits 192) low high)
    (while (let ((y (funcall value bits)) (slack (ash 1 24)))
             (setq low (mg--round (- y slack) (- scale bits))
                   high (mg--round (+ y slack) (- scale bits)))
             (/= low high))
      (setq bits (* 2 bits)))
    low))

(defun mg--inverse-arc (sign n bits)
  "The sum of SIGN^k / ((2k + 1) N^(2k + 1)).
It is artanh of 1/N for SIGN 1, arctan of 1/N for -1."
  (let ((term (/ (ash 1 bits) n)) (odd 1) (sum 0))
    (while (/= term 0)
      (cl-incf sum (/ term odd))
      (cl-incf odd 2)
      (setq term (/ term (* sign n n))))
    sum))

(defvar mg--constants (make-hash-table :test #'equal)
  "The constants that were computed, by name and precision.")

(defun mg--constant (name bits compute)
  "The constant NAME, which COMPUTE finds once for each number of BITS.
It is asked for 16 bits more."
  (or (gethash (cons name bits) mg--constants)
      (puthash (cons name bits) (ash (funcall compute (+ bits 16)) -16) mg--constants)))

(defun mg--ln2 (bits)
  "The logarithm of 2."
  (mg--constant 'ln2 bits (lambda (bits) (* 2 (mg--inverse-arc 1 3 bits)))))

(defun mg--half-pi (bits)
  "Half of pi, by Machin's formula."
  (mg--constant 'half-pi bits
                (lambda (bits) (- (* 8 (mg--inverse-arc -1 5 bits)) (* 2 (mg--inverse-arc -1 239 bits))))))

;;;; The functions

(defun mg-exp (x)
  "The exponential of X."
  (cond ((isnan x) mg-nan)
        ((> x 710.0) mg-infinity)
        ((< x -746.0) 0.0)
        ((< (abs x) 5.551115123125783e-17) 1.0)
        (t (let ((k (round (/ x 0.6931471805599453))) (halvings 12))
             (mg--nearest
              k (lambda (bits)
                  (let ((r (ash (- (mg--fixed x bits) (* k (mg--ln2 bits))) (- halvings)))
                        (term (ash 1 bits)) (n 0) (sum 0))
                    (while (> (abs term) 1)
                      (cl-incf sum term)
                      (cl-incf n)
                      (setq term (/ (mg--times term r bits) n)))
                    (dotimes (_ halvings sum) (setq sum (mg--times sum sum bits))))))))))

(defun mg-log (x)
  "The natural logarithm of X."
  (cond ((or (isnan x) (< x 0.0)) mg-nan)
        ((= x 0.0) (- mg-infinity))
        ((= x 1.0) 0.0)
        ((= x mg-infinity) x)
        (t (pcase-let* ((`(,half . ,exponent) (frexp x))
                        (`(,m . ,e) (if (< half 0.75) (cons (* 2.0 half) (1- exponent)) (cons half exponent))))
             (mg--nearest
              0 (lambda (bits)
                  (let* ((one (ash 1 bits))
                         (fixed (mg--fixed m bits))
                         (term (/ (ash (- fixed one) bits) (+ fixed one)))
                         (square (mg--times term term bits))
                         (odd 1) (artanh 0))
                    (while (> (abs term) 1)
                      (cl-incf artanh (/ term odd))
                      (cl-incf odd 2)
                      (setq term (mg--times term square bits)))
                    (+ (* 2 artanh) (* e (mg--ln2 bits))))))))))

(defun mg--wave (quarters x)
  "The sine of X + QUARTERS * pi/2, for X from -8 to 8."
  (let* ((q (round (/ x 1.5707963267948966)))
         (quadrant (logand (+ q quarters) 3)))
    (mg--nearest
     0 (lambda (bits)
         (let* ((r (- (mg--fixed x bits) (* q (mg--half-pi bits))))
                (square (mg--times r r bits))
                (odd (cl-evenp quadrant))
                (term (if odd r (ash 1 bits)))
                (n (if odd 1 0))
                (sum 0))
           (while (> (abs term) 1)
             (cl-incf sum term)
             (setq term (/ (mg--times term square bits) (- (* (+ n 1) (+ n 2)))))
             (cl-incf n 2))
           (if (< quadrant 2) sum (- sum)))))))

(defun mg-sin (x)
  "The sine of X, for X from -8 to 8."
  (cond ((isnan x) mg-nan)
        ((< (abs x) 1.4901161193847656e-08) x)
        (t (mg--wave 0 x))))

(defun mg-cos (x)
  "The cosine of X, for X from -8 to 8."
  (cond ((isnan x) mg-nan)
        ((< (abs x) 7.450580596923828e-09) 1.0)
        (t (mg--wave 1 x))))

(defun mg--isqrt (n)
  "The integer square root of N > 0, whose bits double from step to step."
  (let* ((half (/ (logb n) 2)) (root 1) (known 0))
    (cl-loop for s from (1- (mg--bit-length half)) downto 0
             do (let ((before known))
                  (setq known (ash half (- s))
                        root (+ (ash root (- known before 1))
                                (/ (ash n (- (+ before known) (* 2 half) 1)) root)))))
    (if (> (* root root) n) (1- root) root)))

(defun mg--power (x y)
  "The finite X > 0 to the power Y, an integer or half-integer.
A sticky bit at the end says whether anything was left over."
  (pcase-let* ((whole (= y (ffloor y)))
               (times (truncate (if whole y (* 2.0 y))))
               (`(,m . ,q) (mg--split x))
               (zeros (logb (logand m (- m))))
               (n (expt (ash m (- zeros)) (abs times)))
               (e (* (+ q zeros) times))
               (length (mg--bit-length n))
               (least (if (> times 0) (max 0 (- 132 length)) (+ 132 length)))
               (shift (if whole least (+ least (logand (- e least) 1))))
               (value (if (> times 0) (ash n shift) (/ (ash 1 shift) n)))
               (root (if whole value (mg--isqrt value)))
               (exact (and (or (> times 0) (= (* value n) (ash 1 shift)))
                           (or whole (= (* root root) value)))))
    (mg--round (+ (* 2 root) (if exact 0 1))
               (1- (if whole (- e shift) (/ (- e shift) 2))))))

(defun mg-pow (x y)
  "X to the power Y, an integer or half-integer."
  (let* ((whole (= y (ffloor y)))
         (odd (and whole (cl-oddp (truncate y)))))
    (cond ((or (= y 0.0) (= x 1.0)) 1.0)
          ((isnan x) mg-nan)
          ((= y 1.0) x)
          ((= y 2.0) (* x x))
          ((= y -1.0) (/ 1.0 x))
          ((or (= x 0.0) (= (abs x) mg-infinity))
           (let ((size (if (eq (= x 0.0) (> y 0.0)) 0.0 mg-infinity)))
             (if odd (copysign size x) size)))
          ((> x 0.0) (if (= y 0.5) (sqrt x) (mg--power x y)))
          ((not whole) mg-nan)
          (odd (- (mg--power (- x) y)))
          (t (mg--power (- x) y)))))

(provide 'microgpt-exact)

;; Local Variables:
;; read-symbol-shorthands: (("mg-" . "microgpt-"))
;; End:

;;; microgpt-exact.el ends here
