;;; microgpt-model.el --- The model, its loss and its training  -*- lexical-binding: t -*-

;;; Code:

(require 'microgpt-graph)

(defmacro mg-tabulate (binding form)
  "A vector of the values of FORM.
\(fn (VARIABLE COUNT) FORM)"
  (declare (indent 1))
  (cl-with-gensyms (vector)
    `(let ((,vector (make-vector ,(cadr binding) nil)))
       (dotimes (,(car binding) (length ,vector))
         (aset ,vector ,(car binding) ,form))
       ,vector)))

(defun mg--each (function xs &rest more)
  "A vector of what FUNCTION makes of the items of XS, or of those of XS and MORE."
  (vconcat (apply #'cl-mapcar function xs more)))

;;;; The model

(cl-defstruct (mg-shape (:constructor mg-shape))
  layers heads embedding block vocabulary squared attend)

(cl-defstruct (mg-model (:constructor mg--make-model))
  shape parameters
  (matrices nil :documentation "The matrices in their order; a matrix is a vector of rows."))

(defun mg-matrices (shape)
  "The matrices of SHAPE in their order, each as (NAME ROWS COLUMNS)."
  (let ((e (mg-shape-embedding shape)) (vocabulary (mg-shape-vocabulary shape)))
    `(("wte" ,vocabulary ,e) ("wpe" ,(mg-shape-block shape) ,e) ("lm_head" ,vocabulary ,e)
      ,@(cl-loop for i below (mg-shape-layers shape)
                 append (cl-loop for (name rows columns)
                                 in `(("attn_wq" ,e ,e) ("attn_wk" ,e ,e) ("attn_wv" ,e ,e) ("attn_wo" ,e ,e)
                                      ("mlp_fc1" ,(* 4 e) ,e) ("mlp_fc2" ,e ,(* 4 e)))
                                 collect (list (format "layer%d.%s" i name) rows columns))))))

(defun mg-new-model (shape doubles)
  "A model of SHAPE whose parameters are DOUBLES."
  (let ((parameters (mg--each #'mg-node doubles)) (start 0))
    (mg--make-model
     :shape shape :parameters parameters
     :matrices (cl-loop for (_ rows columns) in (mg-matrices shape)
                        collect (mg-tabulate (row rows)
                                  (substring parameters start (cl-incf start columns)))))))

(defvar mg-listener nil
  "A function that is told the name and the nodes of each activation, or nil.")

(defun mg--tell (nodes name &rest places)
  "Return NODES, and tell the listener of them by their NAME at PLACES."
  (when mg-listener
    (funcall mg-listener (apply #'format name places) nodes))
  nodes)

(defun mg--linear (x w)
  "The products of the vector X with the rows of the matrix W."
  (mg--each (lambda (row) (mg-dot row x)) w))

(defun mg--rmsnorm (x)
  "The vector X, scaled to a mean square of 1."
  (let* ((mean (mg-scale (mg-dot x x) (/ 1.0 (length x))))
         (scale (mg-power (mg-shift mean 0.00001) -0.5)))
    (mg--each (lambda (a) (mg-mul a scale)) x)))

(defun mg--softmax (x)
  "The softmax of the vector X."
  (let ((top (mg-node-value (aref x 0))))
    (mapc (lambda (a) (when (> (mg-node-value a) top) (setq top (mg-node-value a)))) x)
    (let* ((exps (mg--each (lambda (a) (mg-exponential (mg-shift a (- top)))) x))
           (total (mg-sum exps))
           (value (mg-node-value total))
           ;; Each division has a node of its own; they have the same value and local gradient.
           (inverse (/ 1.0 value))
           (local (* -1.0 (mg-pow value -2.0))))
      (mg--each (lambda (e) (mg-mul e (mg-map total inverse local))) exps))))

(defun mg--attention (shape q keys values place)
  "What the positions at hand give to the query Q, by their KEYS and VALUES.
All are the parts of one head; PLACE is where that is."
  (let* ((divisor (/ 1.0 (sqrt (float (/ (mg-shape-embedding shape) (mg-shape-heads shape))))))
         (scores (mg--each (lambda (key) (mg-scale (mg-dot q key) divisor)) keys))
         (_ (apply #'mg--tell scores "pos%d.layer%d.head%d.scores" place))
         (weights (mg--softmax scores))
         (_ (apply #'mg--tell weights "pos%d.layer%d.head%d.weights" place))
         (mixed (mg-tabulate (j (length q))
                  (mg-dot weights (mg--each (lambda (value) (aref value j)) values)))))
    (apply #'mg--tell mixed "pos%d.layer%d.head%d.mixed" place)))

(defun mg--layer (shape matrices cache x time i)
  "The layer I with its MATRICES and CACHE, at the position TIME, applied to X."
  (pcase-let ((`(,wq ,wk ,wv ,wo ,fc1 ,fc2) matrices)
              (`(,keys . ,values) cache)
              (heads (mg-shape-heads shape))
              (attended (aref (mg-shape-attend shape) time)))
    (cl-labels
        ((tell (name nodes) (mg--tell nodes "pos%d.layer%d.%s" time i name))
         (parts (nodes)
           (let ((size (/ (length nodes) heads)))
             (mg-tabulate (h heads) (substring nodes (* h size) (* (1+ h) size)))))
         (recall (past head) (mg--each (lambda (s) (aref (aref past s) head)) attended))
         (activate (a)
           (let ((positive (mg-relu a)))
             (if (mg-shape-squared shape) (mg-power positive 2.0) positive))))
      (let* ((normed (tell "attn_norm" (mg--rmsnorm x)))
             (q (parts (tell "q" (mg--linear normed wq)))))
        (aset keys time (parts (tell "k" (mg--linear normed wk))))
        (aset values time (parts (tell "v" (mg--linear normed wv))))
        (let* ((mixed (cl-loop for h below heads
                               vconcat (mg--attention shape (aref q h) (recall keys h) (recall values h)
                                                      (list time i h))))
               (out (tell "attn_out" (mg--linear mixed wo)))
               (x (tell "attn_residual" (mg--each #'mg-add out x)))
               (hidden (tell "hidden" (mg--linear (tell "mlp_norm" (mg--rmsnorm x)) fc1)))
               (active (tell "activated" (mg--each #'activate hidden)))
               (out (tell "mlp_out" (mg--linear active fc2))))
          (tell "mlp_residual" (mg--each #'mg-add out x)))))))

(defun mg--caches (shape)
  "Empty caches for each layer of SHAPE: (KEYS . VALUES), by position and head."
  (let ((block (mg-shape-block shape)))
    (cl-loop repeat (mg-shape-layers shape)
             collect (cons (make-vector block nil) (make-vector block nil)))))

(defun mg--logits (model caches token time)
  "The logits of MODEL for TOKEN at the position TIME.
The positions before it are in CACHES."
  (pcase-let* ((`(,wte ,wpe ,lm-head . ,matrices) (mg-model-matrices model))
               (embedded (mg--tell (mg--each #'mg-add (aref wte token) (aref wpe time)) "pos%d.embedded" time))
               (x (mg--tell (mg--rmsnorm embedded) "pos%d.normed" time)))
    (cl-loop for layer in (seq-partition matrices 6)
             for cache in caches
             for i from 0
             do (setq x (mg--layer (mg-model-shape model) layer cache x time i)))
    (mg--tell (mg--linear x lm-head) "pos%d.logits" time)))

(defun mg-loss (model document)
  "The node of MODEL's loss on the vector of tokens DOCUMENT."
  (let* ((shape (mg-model-shape model))
         (caches (mg--caches shape))
         (n (min (mg-shape-block shape) (1- (length document))))
         (losses
          (mg-tabulate (time n)
            (let* ((logits (mg--logits model caches (aref document time) time))
                   (probabilities (mg--tell (mg--softmax logits) "pos%d.probabilities" time))
                   (loss (mg-neg (mg-logarithm (aref probabilities (aref document (1+ time)))))))
              (mg--tell (vector loss) "pos%d.loss" time)
              loss))))
    (mg-scale (mg-sum losses) (/ 1.0 n))))

(defun mg-sample (model temperature choose)
  "The tokens of one sample from MODEL at TEMPERATURE.
CHOOSE makes a token of a vector of probabilities."
  (let* ((shape (mg-model-shape model))
         (caches (mg--caches shape))
         (bos (1- (mg-shape-vocabulary shape)))
         (inverse (/ 1.0 temperature))
         (token bos))
    (cl-loop for time below (mg-shape-block shape)
             for logits = (mg--logits model caches token time)
             for scaled = (mg--each (lambda (a) (mg-scale a inverse)) logits)
             do (setq token (funcall choose (mg--each #'mg-node-value (mg--softmax scaled))))
             until (= token bos)
             collect token)))

;;;; Training

(cl-defstruct (mg-settings (:constructor mg-settings))
  learning-rate beta1 beta2 epsilon schedule steps)

(defun mg-factors (settings step)
  "The rate and the two corrections of STEP."
  (let* ((steps (float (mg-settings-steps settings)))
         (rate (mg-settings-learning-rate settings))
         (correction (lambda (beta) (- 1.0 (mg-pow beta (float (1+ step)))))))
    (list (pcase-exhaustive (mg-settings-schedule settings)
            ('linear (* rate (- 1.0 (/ step steps))))
            ('cosine (* rate 0.5 (+ 1.0 (mg-cos (/ (* float-pi step) steps))))))
          (funcall correction (mg-settings-beta1 settings))
          (funcall correction (mg-settings-beta2 settings)))))

(defun mg-update (settings step parameters m v)
  "Update the nodes PARAMETERS by their gradients, and the moments M and V."
  (pcase-let* ((`(,rate ,correction1 ,correction2) (mg-factors settings step))
               (beta1 (mg-settings-beta1 settings))
               (beta2 (mg-settings-beta2 settings))
               (epsilon (mg-settings-epsilon settings))
               (rest1 (- 1.0 beta1))
               (rest2 (- 1.0 beta2)))
    (dotimes (i (length parameters))
      (let* ((p (aref parameters i))
             (g (mg-node-gradient p))
             (mi (+ (* beta1 (aref m i)) (* rest1 g)))
             (vi (+ (* beta2 (aref v i)) (* rest2 (* g g))))
             (root (mg-pow (/ vi correction2) 0.5)))
        (aset m i mi)
        (aset v i vi)
        (setf (mg-node-value p)
              (- (mg-node-value p) (/ (* rate (/ mi correction1)) (+ root epsilon))))))))

(defun mg-step (settings step model document m v)
  "Train MODEL on DOCUMENT with the moments M and V, and return the loss."
  (let ((root (mg-loss model document)) (parameters (mg-model-parameters model)))
    (mapc (lambda (p) (setf (mg-node-gradient p) 0.0)) parameters)
    (mg-backward root)
    (mg-update settings step parameters m v)
    (mg-node-value root)))

(provide 'microgpt-model)

;; Local Variables:
;; read-symbol-shorthands: (("mg-" . "microgpt-"))
;; End:

;;; microgpt-model.el ends here
