;;; microgpt-graph.el --- The autograd  -*- lexical-binding: t -*-

;;; Commentary:

;; A node is a vector of its value, its gradient, and what it was made from (SPEC, section 5):
;;   nil                 a leaf
;;   (map A . LOCAL)     one node, with the local gradient
;;   (add A . B), (mul A . B)
;;   (sum . XS), (dot WS . XS)
;; XS and WS are vectors of nodes.  In them no node occurs twice, save as its own factor, and none lies below another.

;;; Code:

(require 'microgpt-exact)

(cl-defstruct (mg-node (:type vector) (:constructor mg-node (value &optional source)))
  value (gradient 0.0) source mark)

(defsubst mg-map (a value local)
  "A node with VALUE, made from A with the gradient LOCAL."
  (mg-node value (cons 'map (cons a local))))

(defun mg-add (a b)
  "The node A + B."
  (mg-node (+ (mg-node-value a) (mg-node-value b)) (cons 'add (cons a b))))

(defun mg-mul (a b)
  "The node A * B."
  (mg-node (* (mg-node-value a) (mg-node-value b)) (cons 'mul (cons a b))))

(defun mg-shift (a c)
  "The node A + C, C a plain number."
  (mg-map a (+ (mg-node-value a) c) 1.0))

(defun mg-scale (a c)
  "The node A * C, C a plain number."
  (mg-map a (* (mg-node-value a) c) c))

(defun mg-neg (a)
  "The node -A."
  (mg-scale a -1.0))

(defun mg-power (a c)
  "The node A to the power C, a plain number."
  (let ((x (mg-node-value a)))
    (mg-map a (mg-pow x c) (* c (mg-pow x (- c 1.0))))))

(defun mg-logarithm (a)
  "The node log(A)."
  (let ((x (mg-node-value a)))
    (mg-map a (mg-log x) (/ 1.0 x))))

(defun mg-exponential (a)
  "The node exp(A)."
  (let ((y (mg-exp (mg-node-value a))))
    (mg-map a y y)))

(defun mg-relu (a)
  "The node relu(A)."
  (if (> (mg-node-value a) 0.0)
      (mg-map a (mg-node-value a) 1.0)
    (mg-map a 0.0 0.0)))

(defun mg-sum (xs)
  "The sum of the vector XS as one node."
  (let ((total 0.0))
    (dotimes (i (length xs))
      (setq total (+ total (mg-node-value (aref xs i)))))
    (mg-node total (cons 'sum xs))))

(defun mg-dot (ws xs)
  "The dot product of the vectors WS and XS as one node."
  (let ((total 0.0))
    (dotimes (i (length ws))
      (setq total (+ total (* (mg-node-value (aref ws i)) (mg-node-value (aref xs i))))))
    (mg-node total (cons 'dot (cons ws xs)))))

(defun mg--order (root)
  "The nodes below ROOT, leaves left out: depth-first post-order, last one first."
  (let ((mark (list nil)) (path (list root)) order)
    (cl-flet ((visit (node)
                (when (and (mg-node-source node) (not (eq (mg-node-mark node) mark)))
                  (push node path))))
      (while path
        (let ((node (pop path)))
          (cond
           ((consp node) (push (car node) order)) ; all below it are done
           ((not (eq (mg-node-mark node) mark))
            (setf (mg-node-mark node) mark)
            (push (list node) path)
            (pcase (mg-node-source node)    ; the last child first, so that the first is on top
              (`(map ,a . ,_) (visit a))
              (`(sum . ,xs)
               (cl-loop for i from (1- (length xs)) downto 0 do (visit (aref xs i))))
              (`(dot ,ws . ,xs)
               (cl-loop for i from (1- (length xs)) downto 0
                        do (visit (aref xs i)) (visit (aref ws i))))
              (`(,_ ,a . ,b) (visit b) (visit a))))))))
    order))

(defsubst mg--receive (node x)
  "Add X to the gradient of NODE."
  (cl-incf (mg-node-gradient node) x))

(defun mg-backward (root)
  "Give every node below ROOT its gradient, which must be +0.0 before."
  (setf (mg-node-gradient root) 1.0)
  (dolist (node (mg--order root))
    (let ((g (mg-node-gradient node)))
      (pcase (mg-node-source node)
        (`(map ,a . ,local) (mg--receive a (* local g)))
        (`(add ,a . ,b) (mg--receive a g) (mg--receive b g))
        (`(mul ,a . ,b)
         (mg--receive a (* (mg-node-value b) g))
         (mg--receive b (* (mg-node-value a) g)))
        (`(sum . ,xs) (mapc (lambda (x) (mg--receive x g)) xs))
        (`(dot ,ws . ,xs)
         (dotimes (i (length ws))
           (let ((w (aref ws i)) (x (aref xs i)))
             (mg--receive w (* (mg-node-value x) g))
             (mg--receive x (* (mg-node-value w) g)))))))))

(provide 'microgpt-graph)

;; Local Variables:
;; read-symbol-shorthands: (("mg-" . "microgpt-"))
;; End:

;;; microgpt-graph.el ends here
