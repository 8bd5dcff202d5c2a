"""Which model reads handwritten digits best?  An ordinary scikit-learn program."""

import joblib
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

digits = load_digits()
X_train, X_test, y_train, y_test = train_test_split(digits.data, digits.target, test_size=0.25, random_state=0)

candidates = {
    "logistic C=0.01": make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300)),
    "logistic C=1": make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=300)),
    "support vectors": GridSearchCV(SVC(), {"C": [0.1, 1.0, 10.0], "gamma": [0.0005, 0.001, 0.002]}, cv=3),
    "random forest": RandomForestClassifier(n_estimators=100, max_depth=12, random_state=0),
    "perceptron": MLPClassifier(hidden_layer_sizes=(64,), early_stopping=True, random_state=0),
}

best_name, best_accuracy, best_model = "", 0.0, None
for name, model in candidates.items():
    model.fit(X_train, y_train)
    predicted = model.predict(X_test)
    accuracy = accuracy_score(y_test, predicted)
    f1 = f1_score(y_test, predicted, average="macro")
    print(f"{name:16} accuracy {accuracy:.4f}  f1 {f1:.4f}")
    if accuracy > best_accuracy:
        best_name, best_accuracy, best_model = name, accuracy, model

joblib.dump(best_model, "best.joblib")
print(f"best: {best_name}, saved as best.joblib")
